/** The fault matrix with Heartbeat 3.0.6 as node1, which prefers the group, beside Systole; what other files test already is left out. */
import { matrixTests } from './matrix.ts';

// scenario-mixed.
matrixTests('real–systole', 2, ['1-stop-failback-on', '3-power-off']);

/** The fault matrix with Systole as node1, which prefers the group, beside Heartbeat 3.0.6; what other files test already is left out. */
import { matrixTests } from './matrix.ts';

// scenario-mixed.
matrixTests('systole–real', 2, ['1-stop-failback-on', '3-power-off']);

/** The fault matrix with two Systole nodes; what other files test already is left out. */
import { matrixTests } from './matrix.ts';

// scenario-handover, scenario-samples, scenario-split and scenario-faults.
matrixTests('systole–systole', 5, [
  '1-stop-failback-on',
  '1-stop-failback-off',
  '3-power-off',
  '4-all-links',
  '5-kill-daemon',
  '6-frozen',
]);

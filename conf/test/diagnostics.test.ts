/** How findings look, on a terminal and as JSON. */
import { expect, it } from 'vitest';
import { countErrors, type Diagnostic, diagnosticsToJson, formatDiagnostics, lineOf } from '../diagnostics.ts';

const finding: Diagnostic = {
  severity: 'error',
  code: 'HB_CONFIG_VALUE',
  file: '/etc/ha.d/ha.cf',
  line: 12,
  column: 10,
  message: 'deadtime 1s is no time',
  hint: 'write seconds',
  original: null,
  source: 'deadtime\t1s',
};

const whole: Diagnostic = {
  ...finding,
  severity: 'warning',
  line: 0,
  column: 0,
  message: 'bad \u001b[31m',
  source: null,
  hint: null,
};

it('shows the line, a caret and the advice', () => {
  expect(
    formatDiagnostics([finding, whole]),
  ).toBe(`/etc/ha.d/ha.cf:12:10: error: deadtime 1s is no time [HB_CONFIG_VALUE]
 12 | deadtime 1s
    |          ^
   write seconds
/etc/ha.d/ha.cf: warning: bad \ufffd[31m [HB_CONFIG_VALUE]
`);
});

it('names no line in a log when the finding is about the whole file', () => {
  expect([lineOf(finding), lineOf(whole)]).toEqual(['/etc/ha.d/ha.cf:12', '/etc/ha.d/ha.cf']);
});

it('colours only when asked', () => {
  expect(formatDiagnostics([finding], { color: true })).toContain('\u001b[1;31merror\u001b[0m');
  expect(formatDiagnostics([])).toBe('');
});

it('gives plain objects without the source line', () => {
  const [json] = diagnosticsToJson([finding]);
  expect(json).toEqual({
    severity: 'error',
    code: 'HB_CONFIG_VALUE',
    file: '/etc/ha.d/ha.cf',
    line: 12,
    column: 10,
    message: 'deadtime 1s is no time',
    hint: 'write seconds',
    original: null,
  });
  expect(countErrors([finding, whole])).toBe(1);
});

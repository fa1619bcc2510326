/** The own directive `monitor INTERVAL [failures N]`. */
import { type Reading, refuse, type Statement } from './draft.ts';
import { words } from './text.ts';
import { parseTime } from './time.ts';
import { parseCount } from './values.ts';

/** Failures within an hour after which a group is offered to the other node. */
const defaultFailures = 3;
const maxFailures = 1_000;
/** Each round runs every status script: an interval below this one is a typing error more often than a wish [ms]. */
const shortestMs = 100;

export function monitor(reading: Reading, statement: Statement): void {
  const { rest } = statement;
  const [interval, keyword, count, ...more] = words(rest.text, ' \t\f,', rest.column);
  const wrong = (column: number, message: string): void =>
    refuse(
      reading,
      statement.at(column),
      message,
      'write monitor INTERVAL, as in monitor 10s, or monitor 10 failures 3',
    );
  // `10s` is no time of Heartbeat's: there seconds have no unit.
  const intervalMs = interval === undefined ? null : parseTime(interval.text.replace(/(?<=\d)s(?:ec)?$/, ''));
  if (interval === undefined) wrong(rest.column, 'monitor has no interval');
  else if (intervalMs === null) wrong(interval.column, `monitor ${interval.text} is no time`);
  else if (intervalMs < shortestMs) wrong(interval.column, `monitor ${interval.text} is shorter than ${shortestMs} ms`);
  else if (keyword !== undefined && keyword.text !== 'failures')
    wrong(keyword.column, `monitor does not know ${keyword.text}`);
  else if (more[0] !== undefined) wrong(more[0].column, `monitor does not know ${more[0].text}`);
  else {
    const failures = keyword === undefined ? defaultFailures : parseCount(count?.text ?? '', 1, maxFailures);
    if (failures === null)
      wrong((count ?? keyword ?? interval).column, `failures is a number from 1 to ${maxFailures}`);
    else reading.draft.monitor = { intervalMs, failures };
  }
}

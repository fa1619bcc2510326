import { expect, test } from 'vitest';
import { parseReport } from './report-line.core.ts';

test('every line that the referee writes', () => {
  expect(parseReport('ready')).toEqual({ type: 'ready' });
  expect(parseReport('packet 1500000 in 17 10.77.0.2 10.77.0.1 1025 694 2323')).toEqual({
    type: 'packet',
    atMs: 1.5,
    way: 'in',
    protocol: 17,
    source: '10.77.0.2',
    destination: '10.77.0.1',
    sourcePort: 1025,
    destinationPort: 694,
    payload: Buffer.from('##'),
  });
  expect(parseReport('packet 1500000 out 112 10.77.0.2 224.0.0.18 0 0 ')).toMatchObject({
    way: 'out',
    protocol: 112,
    payload: Buffer.alloc(0),
  });
  expect(parseReport('arp 2000000 out 1 10.77.0.100 10.77.0.100')).toEqual({
    type: 'arp',
    atMs: 2,
    way: 'out',
    operation: 1,
    sender: '10.77.0.100',
    target: '10.77.0.100',
  });
  expect(parseReport('address 3000000 added 10.77.0.100')).toEqual({
    type: 'address',
    atMs: 3,
    change: 'added',
    address: '10.77.0.100',
  });
  expect(parseReport('until 4000000')).toEqual({ type: 'until', atMs: 4 });
  expect(parseReport('lost 12')).toEqual({ type: 'lost', count: 12 });
});

test.each(['', 'hello', 'packet 1 sideways 17 a b 1 2 00', 'address 1 moved 10.0.0.1'])('%j is refused', (line) => {
  expect(() => parseReport(line)).toThrow(SyntaxError);
});

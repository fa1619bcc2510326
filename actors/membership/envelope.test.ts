import { describe, expect, it } from 'vitest';
import type { FieldList } from '../../runtime/message/message.ts';
import { binaryField, field } from '../../runtime/message/message.ts';
import type { Directory, Sender } from './envelope.ts';
import { compose, FieldMemo, NIL_UUID } from './envelope.ts';
import { uuidOf } from './test-bench.ts';

const sender: Sender = { name: 'node1', uuid: uuidOf(1), generation: 0x64, ttl: 3, memo: new FieldMemo() };
const directory: Directory = {
  uuidOf: (name) => (name === 'node2' ? uuidOf(2) : name === 'node3' ? NIL_UUID : null),
  nameOf: (uuid) => (uuid[0] === 2 ? 'node2' : null),
};
const make = (own: FieldList, seq: number | null = 0x1f): FieldList =>
  compose(own, sender, directory, seq, 0x6b02caee, '0.1');
const names = (fields: FieldList): string => fields.map((entry) => entry[0]).join(' ');

describe('envelope', () => {
  it('is added in the order of the wire, in its number forms', () => {
    expect(make([field('t', 'repnodes'), field('dest', 'node2')])).toEqual([
      ['t', 0, 'repnodes'],
      ['dest', 0, 'node2'],
      ['destuuid', 1, uuidOf(2)],
      ['src', 0, 'node1'],
      ['srcuuid', 1, uuidOf(1)],
      ['seq', 0, '1f'],
      ['hg', 0, '64'],
      ['ts', 0, '6b02caee'],
      ['ld', 0, '0.1'],
      ['ttl', 0, '3'],
    ]);
  });

  it('is made of the same objects as long as it says the same: the history holds hundreds of them', () => {
    const [first, second] = [make([field('t', 'x')], 1), make([field('t', 'x')], 2)];
    const shared = first.filter((entry, index) => entry === second[index]).map(([name]) => name);
    expect(shared).toEqual(['src', 'srcuuid', 'hg', 'ts', 'ld', 'ttl']);
    const later = compose([field('t', 'x')], sender, directory, 3, 0x6b02caef, '0.1');
    expect(later.find(([name]) => name === 'ts')).toEqual(['ts', 0, '6b02caef']);
  });

  it('of an NS_ message has neither seq nor ld', () => {
    expect(names(make([field('t', 'NS_ackmsg')], null))).toBe('t src srcuuid hg ts ttl');
  });

  it('has a nil destuuid for a node not heard yet, none for a stranger', () => {
    expect(make([field('t', 'x'), field('dest', 'node3')])).toContainEqual(['destuuid', 1, NIL_UUID]);
    expect(names(make([field('t', 'x'), field('dest', 'other')]))).not.toContain('destuuid');
  });

  it('names the destination given by uuid', () => {
    expect(names(make([field('t', 'x'), binaryField('destuuid', uuidOf(2))]))).toBe(
      't destuuid dest src srcuuid seq hg ts ld ttl',
    );
  });

  it.each([0x1f, null])('replaces forged fields in place (number %j)', (seq) => {
    const forged = [field('t', 'NS_x'), field('src', 'evil'), field('ttl', '99'), field('auth', '1 00')];
    expect(make(forged, seq).slice(0, 3)).toEqual([
      ['t', 0, 'NS_x'],
      ['src', 0, 'node1'],
      ['ttl', 0, '3'],
    ]);
    expect(names(make(forged))).not.toContain('auth');
  });
});

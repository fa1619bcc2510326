import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { nodeName } from '../runtime/units.ts';
import {
  currentNodes,
  formatNodeCache,
  type NodeCache,
  parseNodeCache,
  readNodeCache,
  writeNodeCache,
} from './node-cache.ts';

const node3 = {
  name: nodeName('node3'),
  uuid: Uint8Array.from(Buffer.from('f19e0a661aa7453e88c25e8d48064ed6', 'hex')),
  weight: 100,
  site: '',
};
/** As a Heartbeat 3.0.6 wrote it after hb_delnode. */
const recorded = 'node3\tf19e0a66-1aa7-453e-88c2-5e8d48064ed6\t100\t\n';

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'systole-cache-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

describe('the lines', () => {
  it('are those of Heartbeat 3.0.6', () => {
    expect(parseNodeCache(recorded)).toEqual({ nodes: [node3], unreadable: [] });
    expect(formatNodeCache([node3])).toBe(recorded);
    const unknown = { ...node3, uuid: null, weight: 7, site: 'rack 2' };
    expect(formatNodeCache([unknown])).toBe('node3\t00000000-0000-0000-0000-000000000000\t7\track 2\n');
    expect(parseNodeCache(formatNodeCache([unknown])).nodes).toEqual([unknown]);
  });

  it('that are none are left out and counted', () => {
    const text = `${recorded}\nnode4\tno-uuid\t100\t\n../x\t00000000-0000-0000-0000-000000000000\t1\t\nhalf\n`;
    expect(parseNodeCache(text)).toMatchObject({ nodes: [{ name: 'node3' }], unreadable: [3, 4, 5] });
  });

  it('cannot be broken by a site', () => {
    expect(parseNodeCache(formatNodeCache([{ ...node3, site: 'a\nevil\tb' }])).nodes).toMatchObject([
      { site: 'a evil b' },
    ]);
  });
});

describe('the files', () => {
  it('are read back as they were written, and leave nothing beside them', async () => {
    const dir = directory();
    const cache: NodeCache = { added: [node3], deleted: [{ ...node3, name: nodeName('old') }] };
    await writeNodeCache(dir, cache);
    expect(readFileSync(join(dir, 'hostcache'), 'utf8')).toBe(recorded);
    expect(readNodeCache(dir, () => undefined)).toEqual(cache);
    await writeNodeCache(dir, { added: [], deleted: [] });
    expect(readNodeCache(dir, () => undefined)).toEqual({ added: [], deleted: [] });
    expect(readdirSync(dir).sort()).toEqual(['delhostcache', 'hostcache']);
  });

  it('are not made for nothing', async () => {
    const dir = directory();
    await writeNodeCache(dir, { added: [], deleted: [] });
    expect(readdirSync(dir)).toEqual([]);
    expect(readNodeCache(dir, () => undefined)).toEqual({ added: [], deleted: [] });
  });

  it('with lines that nobody can read say so', () => {
    const dir = directory();
    writeFileSync(join(dir, 'hostcache'), `${recorded}rubbish\n`);
    const said: string[] = [];
    expect(readNodeCache(dir, (text) => said.push(text)).added).toEqual([node3]);
    expect(said).toEqual([`${dir}/hostcache: line 2 is no entry of a node and is left out`]);
  });
});

describe('the nodes of a start', () => {
  const settings = {
    autojoin: 'none' as const,
    nodes: [
      ...['node1', 'node2'].map((name) => ({ name: nodeName(name), type: 'normal' as const })),
      { name: nodeName('router'), type: 'ping' as const },
    ],
  };

  it('are those of ha.cf, and the added ones behind; each difference is told', () => {
    const old = { ...node3, name: nodeName('node2') };
    const gone = { ...node3, name: nodeName('node4') };
    const { nodes, deleted, notes } = currentNodes(settings, { added: [node3, old, gone], deleted: [gone] });
    expect(nodes.map(({ name }) => name)).toEqual(['node1', 'node2', 'router', 'node3']);
    expect(deleted).toEqual(['node4']);
    expect(notes).toEqual([expect.stringContaining('node node3 was added at run time')]);
  });

  it('have every node of ha.cf, whatever an old file says: nobody goes deaf to its partner', () => {
    const partner = { ...node3, name: nodeName('node2') };
    expect(currentNodes(settings, { added: [], deleted: [partner] })).toEqual({
      nodes: settings.nodes,
      deleted: [],
      notes: [
        'node node2 was deleted by hb_delnode (delhostcache), but ha.cf declares it: take it out of ha.cf of all nodes',
      ],
    });
  });

  it('are no news with autojoin: there they are in no ha.cf', () => {
    expect(currentNodes({ ...settings, autojoin: 'any' }, { added: [node3], deleted: [] })).toMatchObject({
      notes: [],
    });
  });
});

import { describe, expect, it, test } from 'vitest';
import { viewClients } from '../../../actors/api/clients.core.ts';
import { field } from '../../../runtime/message/message.ts';
import { linkName, nodeName } from '../../../runtime/units.ts';
import { accounts, Bench, recordedConfig } from './bench.ts';

const { hacluster, haclient, nobody } = accounts;
const node2 = nodeName('node2');

/** A cluster message from the other node. */
function fromNode2(bench: Bench, fields: Readonly<Record<string, string>>): void {
  const list = Object.entries({ ...fields, src: 'node2' }).map(([name, value]) => field(name, value));
  bench.feed({ type: 'message', from: node2, own: false, fields: list });
}

const reasonOf = (frames: readonly string[]): string =>
  /info=(.*?) result=badreq/.exec(frames[0] ?? '')?.[1] ?? 'let in';

describe('a sign-on', () => {
  const pid = 5_001;
  const claim = { pid: String(pid), from_id: String(pid), uid: '0', gid: '0' };
  const signOn = (
    change: Readonly<Record<string, string>>,
    credentials: { uid?: number; gid?: number; pid?: number } = {},
    bench = new Bench(),
  ): string => {
    bench.connect(1, credentials.uid ?? 0, credentials.gid ?? 0, credentials.pid ?? pid);
    bench.frame(1, { t: 'hbapi-req', reqtype: 'signon', ...claim, ...change });
    return reasonOf(bench.take(1));
  };

  test.each([
    ['as casual, root', {}, {}, 'let in'],
    ['without a pid', { pid: '' }, {}, 'bad pid'],
    ['with a pid that is no number', { pid: '1x' }, {}, 'bad pid'],
    ['without ids', { uid: '', gid: 'x' }, {}, 'invalid id info'],
    ['claims to be root', {}, { uid: nobody, gid: nobody }, 'incorrect/false credentials'],
    ["claims another's group", { gid: String(haclient) }, { gid: 0 }, 'incorrect/false credentials'],
    ['as casual, nobody', { uid: '65534', gid: '65534' }, { uid: nobody, gid: nobody }, 'client failed authorization'],
    ['as casual, of the group', { uid: '65534', gid: '106' }, { uid: nobody, gid: haclient }, 'let in'],
    ['of an unknown name', { from_id: 'zork' }, {}, 'no default client auth'],
    ['of a name for others', { from_id: 'ipfail' }, {}, 'client failed authorization'],
    ['of a name for its user', { from_id: 'ipfail', uid: '103' }, { uid: hacluster }, 'let in'],
    ['of a name for its group', { from_id: 'tsg', uid: '65534', gid: '106' }, { uid: nobody, gid: haclient }, 'let in'],
    ["with another's pid", { pid: '4711', from_id: '4711' }, {}, 'pid mismatch'],
    ['of an overlong name', { from_id: 'x'.repeat(32) }, {}, 'client failed authorization'],
    ['of a name with a newline', { from_id: 'a\nb' }, {}, 'client failed authorization'],
  ])('%s: %o %o → %s', (_what, change, credentials, verdict) => {
    const rules = [...recordedConfig().apiAuth];
    if (verdict === 'client failed authorization' && 'from_id' in change && change.from_id !== 'ipfail')
      rules.push({ client: 'default', uids: [0], gids: null });
    expect(signOn(change, credentials, new Bench(recordedConfig({ apiAuth: rules })))).toBe(verdict);
  });

  it('is refused for a process that does not exist', () => {
    expect(signOn({}, {}, new Bench(recordedConfig({ processStart: () => null })))).toBe('bad pid');
  });

  it('lets a plugin of our own process in under any name', () => {
    const bench = new Bench(recordedConfig({ daemon: { pid, uid: 0 } }));
    expect(signOn({ from_id: 'anything' }, {}, bench)).toBe('let in');
    expect(signOn({ from_id: 'anything' }, { pid: 7 }, new Bench())).toBe('no default client auth');
  });

  it('gives a name once, and again after its owner has left', () => {
    const bench = new Bench();
    bench.signOn(1, 'tst');
    bench.signOn(2, 'tst');
    expect(reasonOf(bench.take(2))).toBe('duplicate add request');
    expect(bench.closed).toEqual([2]);
    bench.feed({ type: 'disconnected', connection: 1, info: 'EOF' });
    bench.signOn(3, 'tst');
    expect(bench.take(3).at(-1)).toMatch(/^t=hbapi-resp reqtype=signon result=OK /);
  });

  it('closes the connection and tells nobody else when it is refused', () => {
    const bench = new Bench();
    bench.signOn(1, 'zork');
    expect(bench.closed).toEqual([1]);
    expect(bench.effects.filter((effect) => effect.type === 'send')).toEqual([]);
    expect(bench.logged.slice(-2)).toEqual([
      'WARN: Client [zork] pid 5001 failed authorization [no default client auth]',
      'ERROR: api_process_registration_msg: cannot add client(zork)',
    ]);
  });

  it('must be the first message, but may come later', () => {
    const bench = new Bench();
    bench.connect(1, 0, 0, pid);
    bench.frame(1, { t: 'hbapi-req', reqtype: 'nodelist', pid: '5001' });
    bench.frame(1, { t: 'mymsg' });
    expect(bench.take(1)).toEqual([]);
    bench.frame(1, { t: 'hbapi-req', reqtype: 'signon', ...claim });
    expect(bench.take(1)).toHaveLength(1);
  });

  it('waits for the notice of itself, which comes first', () => {
    const bench = new Bench();
    bench.signOn(1, 'tst');
    expect(bench.take(1).map((frame) => frame.slice(0, 30))).toEqual([
      't=hbapi-clstat st=join from_id',
      't=hbapi-resp reqtype=signon re',
    ]);
  });
});

describe('a client that lies', () => {
  it.each([
    ['the pid of another client', { pid: '5002' }],
    ['the name of another client', { from_id: 'ipfail' }],
  ])('with %s gets no answer, and is logged', (_what, lie) => {
    const bench = new Bench();
    bench.signOn(1, 'tst');
    bench.signOn(2, 'ipfail', hacluster);
    bench.take(1);
    bench.take(2);
    bench.request(1, 'getrsc', lie);
    expect([bench.take(1), bench.take(2)]).toEqual([[], []]);
    expect(bench.logged.at(-2)).toBe('ERROR: Client mismatch! (impersonation?)');
  });

  it('cannot send in the name of another client or node, nor what daemons tell each other', () => {
    const bench = new Bench();
    bench.signOn(1, 'tst');
    bench.take(1);
    bench.frame(1, { t: 'mymsg', from_id: 'ipfail', to_id: 'ipfail', client_gen: '77', src: 'node9' });
    const [own = ''] = bench.take(1);
    expect(own).toMatch(/^t=mymsg from_id=tst to_id=tst client_gen=0 src=node1 /);
    const before = bench.effects.length;
    for (const t of ['status', 'NS_ackmsg', 'NS_rexmit', 'reqnodes', 'hbapi-clstat']) bench.frame(1, { t, st: 'dead' });
    expect(bench.effects.slice(before).filter((effect) => effect.type !== 'log')).toEqual([]);
  });

  it('casual, cannot send at all: it is disconnected', () => {
    const bench = new Bench();
    bench.signOn(1, null);
    bench.take(1);
    bench.frame(1, { t: 'ask_resources', rsc_hold: 'all', info: 'me' });
    expect(bench.closed).toEqual([1]);
    expect(bench.effects.filter((effect) => effect.type === 'send')).toEqual([]);
  });

  it('with ten messages in a row that are none, is disconnected; a good one between starts anew', () => {
    const bench = new Bench();
    bench.signOn(1, 'tst');
    for (let count = 0; count < 9; count++) bench.feed({ type: 'unreadable', connection: 1 });
    bench.request(1, 'numnodes');
    for (let count = 0; count < 9; count++) bench.feed({ type: 'unreadable', connection: 1 });
    expect(bench.closed).toEqual([]);
    bench.feed({ type: 'unreadable', connection: 1 });
    expect(bench.closed).toEqual([1]);
    expect(bench.take(1).at(-1)).toMatch(/st=leave .*info=noinput/);
  });

  it('cannot fill the log', () => {
    const bench = new Bench();
    bench.signOn(1, null);
    const before = bench.logged.length;
    for (let count = 0; count < 1_000; count++) bench.request(1, 'frobnicate');
    const dump = bench.logged.length - before;
    expect(dump).toBeLessThan(10);
    bench.nowMs += 1_001;
    bench.request(1, 'frobnicate');
    expect(bench.logged.length - before).toBe(2 * dump);
  });

  it('has its text printed without control characters', () => {
    const bench = new Bench();
    bench.signOn(1, null);
    bench.request(1, 'x\x1b[2J\nEMERG: all is lost');
    expect([...bench.logged.join('')].filter((character) => character < ' ')).toEqual([]);
  });
});

describe('filters', () => {
  it.each([
    ['1', 0, 'OK'],
    ['d', 0, 'OK'],
    ['3f', 0, 'OK'],
    ['40', 0, 'EINVAL'],
    ['', 0, 'EINVAL'],
    ['1', hacluster, 'OK'],
    ['3', hacluster, 'EPERM'],
    ['11', hacluster, 'EPERM'],
  ])('mask %s of user %d: %s', (fmask, uid, verdict) => {
    const bench = new Bench();
    bench.signOn(1, null, uid, haclient);
    bench.take(1);
    bench.request(1, 'setfilter', { fmask });
    expect(bench.take(1)[0]).toMatch(verdict === 'OK' ? /result=OK$/ : new RegExp(`result=badreq info=${verdict}$`));
  });

  it('show requests of others, and nothing of it without the mask', () => {
    const bench = new Bench();
    bench.signOn(1, null);
    bench.signOn(2, null);
    bench.request(1, 'setfilter', { fmask: '11' });
    bench.take(1);
    bench.request(2, 'numnodes');
    expect(bench.take(1)[0]).toMatch(/^t=hbapi-req reqtype=numnodes /);
    bench.request(1, 'numnodes');
    expect(bench.take(2).filter((frame) => frame.includes('hbapi-req'))).toEqual([]);
  });

  it('tell membership what anybody wants to see, and when nobody does any more', () => {
    const bench = new Bench();
    bench.signOn(1, null);
    bench.request(1, 'setfilter', { fmask: 'f' });
    bench.request(1, 'setfilter', { fmask: 'f' });
    bench.feed({ type: 'disconnected', connection: 1, info: 'EOF' });
    expect(bench.effects.filter((effect) => effect.type === 'observe')).toEqual([
      { type: 'observe', mask: 0x0e },
      { type: 'observe', mask: 0 },
    ]);
  });
});

describe('what a client hears', () => {
  it('goes to all, and with to_id only to the client of that id', () => {
    const bench = new Bench();
    bench.signOn(1, 'tst');
    bench.signOn(2, 'ipfail', hacluster);
    bench.signOn(3, null);
    for (const connection of [1, 2, 3]) bench.take(connection);
    fromNode2(bench, { t: 'news' });
    fromNode2(bench, { t: 'num_ping_nodes', to_id: 'ipfail' });
    expect([1, 2, 3].map((connection) => bench.take(connection).length)).toEqual([1, 2, 1]);
  });

  it('is nothing of what daemons settle between themselves', () => {
    const bench = new Bench();
    bench.signOn(1, null);
    bench.take(1);
    for (const t of ['setweight', 'setsite', 'reqnodes', 'repnodes', 'addnode', 'delnode', 'query-cstatus'])
      fromNode2(bench, { t });
    expect(bench.take(1)).toEqual([]);
  });

  it('is the death of a node, its links, and its return', () => {
    const bench = new Bench();
    bench.signOn(1, null);
    bench.take(1);
    bench.feed({ type: 'link-status', node: node2, link: linkName('eth0'), status: 'dead' });
    expect(bench.take(1)).toEqual(['t=ifstat node=node2 ifname=eth0 st=dead']);
    bench.request(1, 'ifstatus', { node: 'NODE2', ifname: 'eth0' });
    expect(bench.take(1)[0]).toContain('st=dead');
  });

  it('is followed by its signal, but never at another process with its number', () => {
    const starts = new Map([[5_001, 100]]);
    const bench = new Bench(recordedConfig({ processStart: (pid) => starts.get(pid) ?? null }));
    bench.signOn(1, null);
    bench.request(1, 'setsignal', { signal: '10' });
    const signals = (): number => bench.effects.filter((effect) => effect.type === 'signal').length;
    fromNode2(bench, { t: 'news' });
    const before = signals();
    expect(before).toBeGreaterThan(0);
    starts.set(5_001, 200);
    fromNode2(bench, { t: 'news' });
    expect(signals()).toBe(before);
  });
});

describe('presence', () => {
  it.each([
    ['audit', 'died-audit'],
    ['process-ended', 'died'],
  ] as const)('ends when the process has ended (%s)', (type, info) => {
    const alive = new Set([5_001]);
    const bench = new Bench(recordedConfig({ processStart: (pid) => (alive.has(pid) ? 100 : null) }));
    bench.signOn(1, 'tst');
    alive.clear();
    bench.feed(type === 'audit' ? { type } : { type, pid: 5_001 });
    expect(bench.closed).toEqual([1]);
    expect(bench.effects.filter((effect) => effect.type === 'send').at(-1)).toMatchObject({
      fields: expect.arrayContaining([
        ['st', 0, 'leave'],
        ['info', 0, info],
      ]),
    });
  });

  it('is told to the cluster and shown in the status', () => {
    const bench = new Bench();
    bench.signOn(1, 'ipfail', hacluster, haclient);
    bench.signOn(2, null);
    expect(viewClients(bench.state)).toEqual([
      { id: 'ipfail', pid: 5_001, uid: hacluster, kind: 'named' },
      { id: '5002', pid: 5_002, uid: 0, kind: 'casual' },
    ]);
  });

  it('is asked of another node where it is active, and answered for us', () => {
    const bench = new Bench();
    bench.signOn(1, 'tst');
    bench.take(1);
    bench.request(1, 'clientstatus', { node: 'node2', cn: 'tst' });
    expect(bench.take(1)).toEqual([]);
    expect(bench.effects.at(-1)).toMatchObject({
      type: 'send',
      fields: [
        ['t', 0, 'query-cstatus'],
        ['dest', 0, 'node2'],
        ['cn', 0, 'tst'],
        ['from_id', 0, 'tst'],
      ],
    });
    fromNode2(bench, { t: 'query-cstatus', dest: 'node1', cn: 'tst', from_id: '99' });
    expect(bench.effects.at(-1)).toMatchObject({
      fields: [
        ['t', 0, 'respond-cstatus'],
        ['dest', 0, 'node2'],
        ['result', 0, 'OK'],
        ['cn', 0, 'tst'],
        ['to_id', 0, '99'],
        ['cs', 0, 'online'],
      ],
    });
  });
});

describe('weights and sites', () => {
  it('come from the cluster, junk counting as 0', () => {
    const bench = new Bench();
    bench.signOn(1, null);
    bench.take(1);
    fromNode2(bench, { t: 'setweight', node: 'NODE2', weight: '55kg' });
    fromNode2(bench, { t: 'setsite', node: 'node2', site: 'over there' });
    fromNode2(bench, { t: 'setweight', node: 'node1', weight: 'x' });
    bench.request(1, 'nodeweight', { node: 'node2' });
    bench.request(1, 'nodesite', { node: 'node2' });
    bench.request(1, 'nodeweight', { node: 'node1' });
    expect(bench.take(1).map((frame) => /(weight|site)=(.*) result/.exec(frame)?.[2])).toEqual([
      '55',
      'over there',
      '0',
    ]);
  });
});

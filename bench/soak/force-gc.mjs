/**
 * Forces garbage collections in every thread of a running daemon, without any hook in the daemon: Node.js loads this file into every thread by
 * `NODE_OPTIONS=--import=…/force-gc.mjs`. The daemon's own V8 flags make `gc` available.
 *
 * It is plain JavaScript, since it runs before anything can strip types from it.
 */
import { isMainThread } from 'node:worker_threads';

/** A scavenge this often, and a full collection this often [ms]; a node that is left alone collects about once in some minutes. */
const minorMs = 250;
const majorMs = 10_000;

if (typeof globalThis.gc === 'function' && (!isMainThread || process.argv[1]?.includes('heartbeatd'))) {
  const collect = globalThis.gc;
  setInterval(() => collect({ type: 'minor', execution: 'sync' }), minorMs).unref();
  setInterval(() => collect({ type: 'major', execution: 'sync' }), majorMs).unref();
}

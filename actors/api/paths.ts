/** Where the node's doors are in its directories. */
import { join } from 'node:path';

/** The socket that Heartbeat's client library connects to. */
export function clientSocketPath(runDir: string): string {
  return join(runDir, 'register');
}

/** The FIFO that Heartbeat's scripts write to. */
export function fifoPath(stateDir: string): string {
  return join(stateDir, 'fifo');
}

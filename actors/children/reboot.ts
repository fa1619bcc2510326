/**
 * Restarts the machine without stopping anything: what runs here must not run here any more.
 */
import { spawn } from 'node:child_process';
import { lastErrno, libc } from '../../runtime/sys/libc.ts';

/** LINUX_REBOOT_CMD_RESTART of <linux/reboot.h>. */
const restartCommand = 0x01234567;

/**
 * Asks the kernel, then runs the commands in order until one succeeds. Does not return when the kernel does it.
 *
 * @returns why the machine still runs: what the last way said
 */
export async function reboot(commands: readonly (readonly string[])[]): Promise<string> {
  // A reboot(2) with effect ends us; in a container it may end only the container, which is as good.
  let reason = libc().reboot(restartCommand) === 0 ? 'reboot(2) had no effect' : `reboot(2): ${lastErrno()}`;
  for (const [path, ...args] of commands) {
    if (path === undefined) continue;
    reason = await new Promise<string>((resolve) => {
      const child = spawn(path, args, { detached: true, stdio: 'ignore' });
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code) => resolve(`${[path, ...args].join(' ')} returned ${code ?? 'nothing'}`));
    });
  }
  return reason;
}

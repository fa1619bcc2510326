/**
 * Opens every medium once before anything is started, and closes it again.
 *
 * A port in use or a name that cannot be resolved is found while nothing has to be undone and no generation is used up; and it is said
 * where the operator looks while the start waits for the port (10 tries a second apart, 50 for mcast, as Heartbeat).
 */
import type { Settings } from '../../../conf/settings.ts';
import { isDatagramSpec, openMedium } from '../../../plugins/media/index.ts';
import type { MediumOpenOptions } from '../../../plugins/media/medium.ts';
import { MediumError } from '../../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { StartFailure } from './start-failure.ts';

/** @param say for what is waited for meanwhile. @throws StartFailure medium with every medium that cannot be opened, one on a line */
export async function probeMedia(
  settings: Pick<Settings, 'media'>,
  say: (text: string) => void,
  options: MediumOpenOptions = {},
): Promise<void> {
  const handlers = { onDatagram: () => undefined, onError: () => undefined };
  const opened = await Promise.allSettled(
    settings.media.filter(isDatagramSpec).map(async (spec) => {
      const medium = await openMedium(
        spec,
        handlers,
        (severity, text) => {
          if (severity === 'WARN' || severity === 'ERROR') say(text);
        },
        options,
      );
      await medium.close();
    }),
  );
  const problems = opened.filter((result) => result.status === 'rejected').map((result): unknown => result.reason);
  if (problems.length === 0) return;
  const unexpected = problems.find((problem) => !(problem instanceof MediumError));
  if (unexpected !== undefined) throw unexpected;
  throw new StartFailure(
    exitCode.medium,
    problems.map((problem) => (problem instanceof Error ? problem.message : String(problem))).join('\n'),
  );
}

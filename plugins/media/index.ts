/** The media that this version can use, by the name of their directive. */
import type { MediumSpec } from '../../conf/settings.ts';
import type { MediumHandlers, MediumLog, MediumOpenOptions, MediumPlugin, OpenMedium, SpecOf } from './medium.ts';

/** Loads a plugin when it is first asked for, so that a thread pays for its own only. */
const loaders = {
  bcast: () => import('./bcast.ts'),
  ucast: () => import('./ucast.ts'),
  ucast6: () => import('./ucast.ts'),
  mcast: () => import('./mcast.ts'),
  mcast6: () => import('./mcast.ts'),
} satisfies Partial<Record<MediumSpec['kind'], () => Promise<{ readonly plugin: MediumPlugin }>>>;

/** Media that {@link openMedium} opens; ping media have an actor of their own. */
export type DatagramKind = keyof typeof loaders;
export type DatagramSpec = SpecOf<DatagramKind>;

/** The kinds that {@link openMedium} opens, for the checks of the configuration. */
export const activeMedia: ReadonlySet<string> = new Set(Object.keys(loaders));

/** Whether {@link openMedium} can open a medium. */
export function isDatagramSpec(spec: MediumSpec): spec is DatagramSpec {
  return activeMedia.has(spec.kind);
}

/** Opens a medium with the plugin of its kind. Throws MediumError (details `link`, `errno`) that says what to do. */
export async function openMedium(
  spec: DatagramSpec,
  handlers: MediumHandlers,
  log: MediumLog,
  options: MediumOpenOptions = {},
): Promise<OpenMedium> {
  const { plugin } = await loaders[spec.kind]();
  return plugin.open(spec, handlers, log, options);
}

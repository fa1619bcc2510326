/** The media that this version can use, by the name of their directive. */
import type { MediumSpec } from '../../conf/settings.ts';
import type { MediumHandlers, MediumLog, MediumOpenOptions, MediumPlugin, OpenMedium, SpecOf } from './medium.ts';

/** Loads a plugin when it is first asked for, so that a thread pays for its own only. */
const datagramLoaders = {
  bcast: () => import('./bcast.ts'),
  ucast: () => import('./ucast.ts'),
  ucast6: () => import('./ucast.ts'),
  mcast: () => import('./mcast.ts'),
  mcast6: () => import('./mcast.ts'),
} satisfies Partial<Record<MediumSpec['kind'], Loader>>;

const loaders = { ...datagramLoaders, serial: () => import('./serial.ts') };

type Loader = () => Promise<{ readonly plugin: MediumPlugin }>;

/** Media that move datagrams over an interface. */
export type DatagramSpec = SpecOf<keyof typeof datagramLoaders>;
/** Media that {@link openMedium} opens, each in an actor of its own; ping media share one. */
export type HostedSpec = SpecOf<keyof typeof loaders>;

/** The kinds that this version can use, for the checks of the configuration. */
export const activeMedia: ReadonlySet<string> = new Set([...Object.keys(loaders), 'ping', 'ping6', 'ping_group']);

/** Whether a medium moves datagrams over an interface. */
export function isDatagramSpec(spec: MediumSpec): spec is DatagramSpec {
  return spec.kind in datagramLoaders;
}

/** Whether {@link openMedium} can open a medium. */
export function isHostedSpec(spec: MediumSpec): spec is HostedSpec {
  return spec.kind in loaders;
}

/** Opens a medium with the plugin of its kind. Throws MediumError (details `link`, `errno`) that says what to do. */
export async function openMedium(
  spec: HostedSpec,
  handlers: MediumHandlers,
  log: MediumLog,
  options: MediumOpenOptions = {},
): Promise<OpenMedium> {
  const { plugin } = await loaders[spec.kind]();
  return plugin.open(spec, handlers, log, options);
}

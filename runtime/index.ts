/** The public names of the actor runtime; start reading at README.md. */
export { type ActorContext, type ActorDefinition, defineActor, type StopReason } from './actor.ts';
export { type Clock, SimulatedClock, SystemClock, type Timer } from './clock.ts';
export { describeExit, type ExitReason, type SupervisorEvent } from './events.ts';
export { sibling } from './module-url.ts';
export type { Control, MailboxOptions, OverflowPolicy, Protocol, Tagged } from './protocol.ts';
export type { ActorRef } from './ref.ts';
export {
  type ChildHandle,
  type ChildSpec,
  type StopResult,
  Supervisor,
  type SupervisorOptions,
  type SupervisorView,
} from './supervisor.ts';
export { assertNever, type Ms, ms } from './units.ts';

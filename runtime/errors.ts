/**
 * Every error that Systole throws on purpose: one class a family, one code a situation, all in {@link ERROR_CODES}.
 *
 * A thread boundary loses class, code and cause of an error, so errors cross it through {@link toWire} and {@link fromWire}, and only so.
 * The page ERRORS.md beside this file explains each code to operators; a test fails when the two differ.
 *
 * ```ts
 * throw new ConfigError('HB_CONFIG_VALUE', 'deadtime "x" is no time: write 30 or 500ms', { file, line, column });
 * ```
 */

/** Plain, structured-clone safe facts of one error: what a program needs to act on it. Never secrets. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/**
 * The one list of codes: code → family. A code that is retired is moved to {@link RETIRED_CODES} and never used again.
 */
export const ERROR_CODES = {
  HB_CONFIG_UNREADABLE: 'ConfigError',
  HB_CONFIG_PERMISSIONS: 'ConfigError',
  HB_CONFIG_SYNTAX: 'ConfigError',
  HB_CONFIG_UNKNOWN: 'ConfigError',
  HB_CONFIG_VALUE: 'ConfigError',
  HB_CONFIG_MISSING: 'ConfigError',
  HB_CONFIG_CONFLICT: 'ConfigError',

  HB_CODEC_FRAME: 'CodecError',
  HB_CODEC_FIELD: 'CodecError',
  HB_CODEC_TOO_LARGE: 'CodecError',
  HB_CODEC_COMPRESSION: 'CodecError',

  HB_AUTH_METHOD: 'AuthError',
  HB_AUTH_KEY: 'AuthError',
  HB_AUTH_REFUSED: 'AuthError',

  HB_MEDIUM_PLUGIN: 'MediumError',
  HB_MEDIUM_OPEN: 'MediumError',
  HB_MEDIUM_SEND: 'MediumError',
  HB_MEDIUM_RECEIVE: 'MediumError',

  HB_ACTOR_MODULE: 'ActorError',
  HB_ACTOR_START: 'ActorError',
  HB_ACTOR_START_TIMEOUT: 'ActorError',
  HB_ACTOR_FAILED: 'ActorError',
  HB_ACTOR_SPEC: 'ActorError',
  HB_ACTOR_NOT_WIRED: 'ActorError',
  HB_ACTOR_NOT_RUNNING: 'ActorError',
  HB_ACTOR_MAILBOX_FULL: 'ActorError',

  HB_CALL_TIMEOUT: 'CallTimeoutError',

  HB_AGENT_NOT_FOUND: 'AgentError',
  HB_AGENT_FAILED: 'AgentError',
  HB_AGENT_TIMEOUT: 'AgentError',

  HB_CLIENT_REFUSED: 'ClientError',
  HB_CLIENT_GONE: 'ClientError',
  HB_CLIENT_REQUEST: 'ClientError',

  HB_SYSTEM_CALL: 'SystemCallError',
  HB_SYSTEM_UNSUPPORTED: 'SystemCallError',
} as const;

/** Codes that were used once: they must not come back with another meaning. */
export const RETIRED_CODES: readonly string[] = [];

export type ErrorCode = keyof typeof ERROR_CODES;
type ErrorFamily = (typeof ERROR_CODES)[ErrorCode];
type CodeOf<F extends ErrorFamily> = { [C in ErrorCode]: (typeof ERROR_CODES)[C] extends F ? C : never }[ErrorCode];

/** What every error of ours has: a stable `code`, a message for the operator (what, where, what to do), `details`, maybe a `cause`. */
export abstract class HbError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  readonly details: ErrorDetails;

  /**
   * @param code    the situation, see ERRORS.md
   * @param message what happened, where, and what to do about it
   * @param details plain data (structured-clone safe)
   * @param options `cause`: the error below this one
   */
  constructor(code: C, message: string, details: ErrorDetails = {}, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }
}

/** A configuration that cannot be used. Details: `file`, `line`, `column` (from 1), `hint`. */
export class ConfigError extends HbError<CodeOf<'ConfigError'>> {}
/** Bytes that cannot be turned into a message, or a message that cannot be turned into bytes (a bad packet is a value, not this). */
export class CodecError extends HbError<CodeOf<'CodecError'>> {}
/** A signature method or key that cannot be used, or a client that may not do what it asks for. */
export class AuthError extends HbError<CodeOf<'AuthError'>> {}
/** A medium that cannot do its work. Details: `link`, `errno`. */
export class MediumError extends HbError<CodeOf<'MediumError'>> {}
/** An actor that cannot be started, reached or filled further. Details: `actor`. */
export class ActorError extends HbError<CodeOf<'ActorError'>> {}
/** A call that had no answer in time. Details: `target`, `method`, `deadlineMs`. */
export class CallTimeoutError extends HbError<CodeOf<'CallTimeoutError'>> {}
/** A resource agent that misbehaved. Details: `agent`, `action`, `exitCode`, `stderrTail`. */
export class AgentError extends HbError<CodeOf<'AgentError'>> {}
/** What a program hears that speaks to the node through its client API. Details: `path`, `reason`. */
export class ClientError extends HbError<CodeOf<'ClientError'>> {}
/** A call to the kernel that failed. Details: `call`, `errno`. */
export class SystemCallError extends HbError<CodeOf<'SystemCallError'>> {}

const FAMILIES = {
  ConfigError,
  CodecError,
  AuthError,
  MediumError,
  ActorError,
  CallTimeoutError,
  AgentError,
  ClientError,
  SystemCallError,
} as const satisfies Record<ErrorFamily, unknown>;

/** An error as plain data. `family` is one of ours, or the class name of any other Error, or `null` when something else was thrown. */
export interface WireError {
  readonly family: string | null;
  readonly code: string | null;
  readonly message: string;
  readonly stack: string | null;
  readonly details: ErrorDetails;
  readonly cause: WireError | null;
}

/** A chain of causes longer than this is cut: it is a loop or of no use to anyone. */
const MAX_CAUSES = 8;

/** Turns anything that was thrown into plain data. Details that cannot be cloned are replaced by their text. Never throws. */
export function toWire(thrown: unknown, depth = 0): WireError {
  if (!(thrown instanceof Error)) {
    return { family: null, code: null, message: textOf(thrown), stack: null, details: {}, cause: null };
  }
  const code: unknown = Reflect.get(thrown, 'code');
  return {
    family: thrown.name,
    code: typeof code === 'string' ? code : null,
    message: thrown.message,
    stack: thrown.stack ?? null,
    details: cloneable(thrown instanceof HbError ? thrown.details : ownFacts(thrown)),
    cause: thrown.cause === undefined || depth >= MAX_CAUSES ? null : toWire(thrown.cause, depth + 1),
  };
}

/**
 * Makes the error again: our families and JavaScript's own classes with class, code, details and cause; any other one as `Error` with its
 * own name, code and facts (`errno`, `syscall`…); what was no error becomes one that carries its text. An unknown code of ours stays an
 * `Error`: it comes from another version.
 */
export function fromWire(wire: WireError): Error {
  const options = wire.cause === null ? {} : { cause: fromWire(wire.cause) };
  const error = isErrorCode(wire.code)
    ? makeOwn(wire.code, wire, options)
    : Object.assign(makeForeign(wire, options), wire.details, wire.code === null ? {} : { code: wire.code });
  if (wire.stack !== null) error.stack = wire.stack;
  return error;
}

/** Whether a text is one of our codes. */
function isErrorCode(code: string | null): code is ErrorCode {
  return code !== null && Object.hasOwn(ERROR_CODES, code);
}

function makeOwn(code: ErrorCode, wire: WireError, options: { readonly cause?: unknown }): Error {
  const Family: new (
    code: never,
    message: string,
    details: ErrorDetails,
    options: { readonly cause?: unknown },
  ) => HbError = FAMILIES[ERROR_CODES[code]];
  // The table ties code and class together; the compiler cannot follow that through a look-up by key.
  return new Family(code as never, wire.message, wire.details, options);
}

const BUILT_IN = { TypeError, RangeError, SyntaxError, ReferenceError, URIError, EvalError } as const;

function makeForeign(wire: WireError, options: { readonly cause?: unknown }): Error {
  for (const [name, Class] of Object.entries(BUILT_IN))
    if (name === wire.family) return new Class(wire.message, options);
  const error = new Error(wire.message, options);
  if (wire.family !== null) error.name = wire.family;
  return error;
}

/** Node's own errors carry their facts as properties. */
function ownFacts(error: Error): ErrorDetails {
  const facts: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(error)) {
    if (key !== 'code' && key !== 'name' && key !== 'stack' && key !== 'cause') facts[key] = value;
  }
  return facts;
}

function cloneable(details: ErrorDetails): ErrorDetails {
  try {
    return structuredClone(details);
  } catch {
    const texts: Record<string, string> = {};
    for (const [key, value] of Object.entries(details)) texts[key] = textOf(value);
    return texts;
  }
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

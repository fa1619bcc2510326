/**
 * The fencing directives. Their parameters can hold passwords: no finding shows a parameter or the line.
 *
 * A type is one of cluster-glue's (`stonith -L`), or a fence agent: `fence_NAME`, or its path. Heartbeat knows the first kind only.
 */
import type { Position } from './diagnostics.ts';
import { advise, type Reading, refuse, type Statement } from './draft.ts';
import {
  type FenceAgentReading,
  fenceAgentPaths,
  isFenceAgentType,
  readFenceAgentFile,
  readFenceAgentLine,
} from './fence-agent.ts';
import { words } from './text.ts';

const blanks = ' \t\f';

/** Heartbeat's buffer for a node's name [characters that fit]. */
const maxHostLength = 99;

/** How many words the plugins of cluster-glue want (`stonith -t TYPE -n`); every other type wants at least one. */
const parameterCounts: Readonly<Record<string, number>> = {
  apcmaster: 3,
  apcmastersnmp: 3,
  apcsmart: 2,
  baytech: 3,
  bladehpi: 2,
  cyclades: 3,
  drac3: 3,
  ipmilan: 8,
  nw_rpc100s: 2,
  rcd_serial: 4,
  wti_mpc: 4,
  wti_nps: 2,
};

export function stonith(reading: Reading, statement: Statement): void {
  const { rest } = statement;
  const [type] = words(rest.text, blanks, rest.column);
  if (type === undefined) {
    refuse(
      reading,
      statement.position,
      'stonith has no type',
      'write stonith TYPE FILE',
      'ERROR: No Stonith type given',
    );
    return;
  }
  const typeAt = statement.at(type.column);
  if (!typeExists(reading, type.text, typeAt)) return;
  const file = rest.text.slice(type.column - rest.column + type.text.length).trim();
  const content = file === '' ? null : reading.system.readFile(file);
  if (content?.ok !== true) {
    const message =
      file === '' ? `stonith ${type.text} has no parameter file` : `parameter file ${file} cannot be read`;
    reading.report.add(typeAt, {
      severity: 'error',
      code: 'HB_CONFIG_UNREADABLE',
      message,
      hint: `write stonith ${type.text} FILE, and the parameters of ${type.text} into the file`,
      original: `ERROR: glib: Cannot open ${file}\nERROR: Invalid Stonith config file [${file}]`,
    });
    return;
  }
  if (isFenceAgentType(type.text)) {
    const text = new TextDecoder('utf-8').decode(content.bytes);
    if (!agentParametersFit(reading, type.text, readFenceAgentFile(text), typeAt, `parameter file ${file}: `, true))
      return;
  }
  reading.draft.stonith.push({ host: null, type: type.text, parameters: file, place: statement.position.place });
}

export function stonithHost(reading: Reading, statement: Statement): void {
  const { rest } = statement;
  const [host, type, ...parameters] = words(rest.text, blanks, rest.column);
  const hint = 'write stonith_host NODE TYPE PARAMETERS, with * for every node';
  if (host === undefined) {
    refuse(reading, statement.position, 'stonith_host has no node', hint, 'ERROR: No Stonith hostname argument given');
    return;
  }
  const hostAt = statement.at(host.column);
  if (host.text.length > maxHostLength) {
    refuse(
      reading,
      hostAt,
      `the node name of stonith_host has more than ${maxHostLength} characters`,
      hint,
      'ERROR: Stonith hostname too long',
    );
    return;
  }
  // Devices of other nodes may need plugins and files that only those nodes have: they are not looked at.
  if (host.text !== '*' && host.text.toLowerCase() !== reading.self) return;
  if (type === undefined) {
    refuse(reading, hostAt, 'stonith_host has no type', hint, 'ERROR: No Stonith type given');
    return;
  }
  if (!typeExists(reading, type.text, statement.at(type.column))) return;
  const text = rest.text.slice(type.column - rest.column + type.text.length).trim();
  if (isFenceAgentType(type.text)) {
    const everywhere = host.text === '*';
    if (!agentParametersFit(reading, type.text, readFenceAgentLine(text), statement.at(type.column), '', everywhere))
      return;
  }
  const needed = parameterCounts[type.text] ?? (type.text === 'suicide' || isFenceAgentType(type.text) ? 0 : 1);
  if (parameters.length < needed) {
    refuse(
      reading,
      statement.at(type.column),
      `stonith_host ${type.text} needs ${needed} or more parameters, ${parameters.length} are given`,
      `see \`stonith -t ${type.text} -n\``,
      'ERROR: Invalid Stonith configuration parameter [(hidden)]',
    );
    return;
  }
  reading.draft.stonith.push({ host: host.text, type: type.text, parameters: text, place: statement.position.place });
}

/**
 * Whether a fence agent can be used with these parameters.
 *
 * @param everywhere every node may use the line, so it must tell which node it resets
 */
function agentParametersFit(
  reading: Reading,
  type: string,
  parameters: FenceAgentReading,
  position: Position,
  where: string,
  everywhere: boolean,
): boolean {
  if (!parameters.ok) {
    refuse(
      reading,
      position,
      `${where}${parameters.problem}`,
      `see \`${type} -o metadata\` for the parameters of this agent`,
    );
    return false;
  }
  const { options, hosts, plugs } = parameters.parameters;
  if (!everywhere || hosts !== null) return true;
  if (options.some(([name]) => ['plug', 'port', 'ip', 'ipaddr'].includes(name)) && plugs.size === 0)
    advise(
      reading,
      position,
      `${where}every node may use this device, and nothing says which nodes it resets: the outlet or address given is reset whichever node is silent`,
      'add pcmk_host_list=NODE, or pcmk_host_map=NODE:PLUG;NODE:PLUG',
    );
  return true;
}

function typeExists(reading: Reading, type: string, position: Position): boolean {
  if (isFenceAgentType(type)) return agentExists(reading, type, position);
  const answer = reading.system.stonithType(type);
  if (answer === 'known') return true;
  const finding = {
    code: 'HB_CONFIG_UNKNOWN',
    hint: 'see `stonith -L` for the types; the package is called cluster-glue',
  } as const;
  if (answer === 'unknown') {
    reading.report.add(position, {
      severity: 'warning',
      message: `no fencing plugins are installed on this machine: type ${type} cannot be checked`,
      ...finding,
    });
    return true;
  }
  reading.report.add(position, {
    severity: 'error',
    message: `there is no fencing type ${type}`,
    original: `ERROR: Invalid Stonith type [${type}]`,
    ...finding,
  });
  return false;
}

function agentExists(reading: Reading, type: string, position: Position): boolean {
  if (fenceAgentPaths(type).some((path) => reading.system.stat(path)?.executable === true)) return true;
  reading.report.add(position, {
    severity: 'error',
    code: 'HB_CONFIG_UNKNOWN',
    message: `there is no fence agent ${type}`,
    hint: 'the agents are /usr/sbin/fence_*; the package is called fence-agents',
    original: `ERROR: Invalid Stonith type [${type}]`,
  });
  return false;
}

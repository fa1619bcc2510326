/**
 * The directives that hand resources over to Pacemaker: `crm` and `pacemaker`, which are one, and what goes with them.
 */
import type { Position } from './diagnostics.ts';
import { notActive, type Reading, refuse } from './draft.ts';
import type { Word } from './text.ts';
import { booleanWords, parseBoolean } from './values.ts';

const styles = ['respawn', 'minimal', 'manual', 'ccm-only', 'valgrind'];

/** Where Heartbeat looks for the programs that it would start. */
const programDirectories = ['/usr/libexec/heartbeat', '/usr/libexec/pacemaker', '/usr/lib/heartbeat'];

export function pacemaker(reading: Reading, word: Word, position: Position): void {
  const { draft, report } = reading;
  if (draft.pacemaker !== null) {
    refuse(
      reading,
      position,
      'crm or pacemaker is written twice',
      'they are one directive: keep one of them',
      'ERROR: pacemaker/crm directive used multiple times!',
    );
    return;
  }
  draft.pacemaker = word.text;
  report.say(`info: Pacemaker support: ${word.text}`);
  const style = word.text.toLowerCase();
  const value = styles.includes(style) ? true : parseBoolean(word.text);
  if (value === null) {
    refuse(
      reading,
      position,
      `crm ${word.text} is not known`,
      `write one of ${booleanWords}, or one of ${styles.join(', ')}`,
    );
    return;
  }
  draft.written.set('pacemaker', { value: word.text, position });
  if (!value) return;
  draft.managesResources = false;
  if (style === 'valgrind') report.say('info: Enabling Valgrind on selected components');
  notActive(reading, 'crm', position);
  const haresources = `${reading.configDir}/haresources`;
  if (reading.system.stat(haresources) !== null) {
    report.add(position, {
      severity: 'warning',
      code: 'HB_CONFIG_CONFLICT',
      message: `${haresources} exists, but is not used while crm is on`,
      hint: 'remove the crm line to let Systole manage the resources, or remove haresources',
      original: `WARN: File ${reading.originalFile.replace(/ha\.cf$/, 'haresources')} exists.\nWARN: This file is not used because pacemaker is enabled`,
    });
  }
  const programs = style === 'ccm-only' ? ['ccm'] : ['ccm', 'cib'];
  const missing = programs.find(
    (program) =>
      !programDirectories.some((directory) => reading.system.stat(`${directory}/${program}`)?.executable === true),
  );
  if (missing !== undefined) {
    report.add(position, {
      severity: 'error',
      code: 'HB_CONFIG_UNKNOWN',
      message: `crm ${word.text} needs the program ${missing}, which is not installed`,
      hint: 'remove the crm line: Pacemaker of today runs on corosync, and `systole haresources2cib` helps to move there',
      original: `ERROR: Failed to add pacemaker client child "${missing}"`,
    });
  }
}

/** Refused when it comes first, too late when it comes after crm: no way of writing it has an effect in Heartbeat 3.0.6. */
export function crmDaemonDir(reading: Reading, word: Word, position: Position): void {
  if (reading.draft.pacemaker === null) {
    refuse(reading, position, 'crm_daemon_dir cannot be set', 'remove the line: it is for Pacemaker only');
    return;
  }
  reading.report.add(position, {
    severity: 'warning',
    code: 'HB_CONFIG_CONFLICT',
    message: 'crm_daemon_dir comes after crm and has no effect',
    hint: 'remove the line: it is for Pacemaker only',
    original: tooLate(word),
  });
}

export function crmdSpawnsPengine(reading: Reading, word: Word, position: Position): void {
  if (parseBoolean(word.text) === null) {
    refuse(
      reading,
      position,
      `crmd_spawns_pengine ${word.text} is neither yes nor no`,
      `write one of ${booleanWords}`,
      `ERROR: ha_config_check_boolean:Invalid directive value ${word.text}`,
    );
  } else if (reading.draft.pacemaker !== null) {
    refuse(
      reading,
      position,
      'crmd_spawns_pengine comes after crm',
      'move it before the crm line, or remove it: it is for Pacemaker only',
      tooLate(word),
    );
  }
}

function tooLate(word: Word): string {
  return `ERROR: If you specify ${word.text}, it must come before the pacemaker directive`;
}

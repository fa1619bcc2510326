/** The messages that are damaged: one of each kind that real nodes have sent, from the recordings. */
import { decodeDatagram } from '../../runtime/message/datagram.ts';
import { type FieldList, getString } from '../../runtime/message/message.ts';
import { corpusFiles, datagramsOf, serialMessagesOf } from '../../test/unit/message/corpus.ts';

/** Of each type and set of fields the first few, so that statuses are not all there is. */
const ofAKind = 3;
/** Longer ones only cost time: they have nothing that shorter ones lack. */
const longestBytes = 4_000;

export function corpusMessages(): readonly FieldList[] {
  const seen = new Map<string, number>();
  const messages: FieldList[] = [];
  for (const { name, keys } of corpusFiles()) {
    const recorded = name.endsWith('.tty') ? serialMessagesOf(name) : datagramsOf(name).map(({ payload }) => payload);
    for (const bytes of recorded) {
      const result = decodeDatagram(bytes, keys);
      if (!result.ok || result.auth !== 'ok' || bytes.length > longestBytes) continue;
      const kind = [getString(result.fields, 't'), ...result.fields.map(([field]) => field)].join(' ');
      const count = seen.get(kind) ?? 0;
      seen.set(kind, count + 1);
      if (count < ofAKind) messages.push(result.fields);
    }
  }
  return messages;
}

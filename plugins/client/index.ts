/**
 * `systole/client`: programs and plugins that listen to the node, ask it, and speak to their partners on the other nodes.
 *
 * ```ts
 * import { connect } from 'systole/client';
 *
 * await using client = await connect({ name: 'my-plugin' }); // ha.cf: apiauth my-plugin uid=root
 * console.log(await client.nodes(), await client.resources());
 * for await (const event of client.events()) console.log(event);
 * ```
 */
export { ClientError } from '../../runtime/errors.ts';
export { Client, type ConnectOptions, connect, type LinkInfo, type NodeInfo, type OutgoingMessage } from './client.ts';
export type { NodeFacts } from './connection.ts';
export type { ClientEvent, ClusterMessage, NodeStatus, ResourceStatus } from './events.core.ts';

// What does an endpoint take that only answers? Our listener with a fixed answer, in a process of its own: what Node's TLS
// and HTTP leave to whatever is built on them. Prints its URL and runs until it is ended.
import { Cleanup } from '../stack/harness/cleanup.ts';
import { startPeers } from './many-peers.ts';

const [peer] = await startPeers(new Cleanup(), 1, 'Plain', () => undefined);
console.log(peer?.url);

// What does the API server say of the declared peers, and when does it say something else?
import { repeat } from '../../broker/repeat.ts';
import { systemClock } from '../../federation/clock.ts';
import { nameOf, type Side } from './side.ts';
import type { Story } from './story.ts';

const LOOK_EVERY_MS = 100;

/** Tells each change of the condition Ready of `side`'s object for `peer`, until the signal aborts. */
export async function noteObjects(side: Side, peer: Side, story: Story, signal: AbortSignal): Promise<void> {
  const { objects } = side.place;
  if (objects === undefined) return;
  const name = nameOf(peer.trustDomain);
  let told = '';
  await repeat({ clock: systemClock, intervalMs: LOOK_EVERY_MS, signal }, () => {
    const ready = objects.ready(name);
    const now = ready === undefined ? '' : `${ready.status} (${ready.reason})`;
    if (now !== told) story.tell(`PeerTrustDomain ${name} of ${side.trustDomain}: Ready is ${now}`);
    told = now;
    return Promise.resolve();
  });
}

/** Tells what kubectl shows of them now, at each side. */
export async function showObjects(sides: readonly Side[], story: Story): Promise<void> {
  const tables = await Promise.all(sides.map(async ({ place }) => (await place.objects?.table()) ?? []));
  for (const [index, table] of tables.entries()) {
    if (table.length > 0) story.tell(`kubectl get ptd, at ${sides[index]?.trustDomain ?? ''}:`);
    for (const line of table) story.tell(`  ${line}`);
  }
}

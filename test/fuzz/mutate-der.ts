// How does a fuzzer change a certificate so that most readers still get to the change? Value by value, with lengths that fit.
import { readDerValues, type DerValue } from '../../src/bundle/der.ts';
import { encodeDer } from '../../src/istio/write-der.ts';

type Below = (below: number) => number;

interface Node {
  readonly tag: number;
  readonly content: Uint8Array;
  /** The values inside, instead of the content. */
  readonly children: readonly Node[] | undefined;
}

const CONSTRUCTED = 0x20;
const OCTET_STRING = 0x04;
/** Tags that certificates have, and some that they do not. */
const TAGS = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x1e, 0x30, 0x31, 0x80, 0x81, 0x82, 0x86, 0xa0,
  0xa1, 0xa3,
];

/** One change; sometimes a second. */
export function mutateDer(der: Uint8Array, random: Below): Uint8Array {
  let bytes = der;
  for (let change = random(3) === 0 ? 1 : 0; change >= 0; change--) bytes = changedOnce(bytes, random);
  return bytes;
}

function changedOnce(der: Uint8Array, random: Below): Uint8Array {
  const [root] = treeOf(der) ?? [];
  if (root === undefined) return der;
  const chosen = random(countOf(root));
  let at = -1;
  const visit = (node: Node): readonly Node[] => {
    at += 1;
    if (at === chosen) return replacementsOf(node, random);
    return [{ ...node, children: node.children?.flatMap(visit) }];
  };
  return Buffer.concat(visit(root).map(encoded));
}

/** What stands there instead. */
function replacementsOf(node: Node, random: Below): readonly Node[] {
  switch (random(6)) {
    case 0:
      return [];
    case 1:
      return [node, node];
    case 2:
      return [{ ...node, tag: TAGS[random(TAGS.length)] ?? 0 }];
    case 3:
      return [{ tag: node.tag, content: new Uint8Array(), children: node.children?.toReversed() }];
    default:
      return [{ tag: node.tag, content: changedBytes(contentOf(node), random), children: undefined }];
  }
}

function changedBytes(content: Uint8Array, random: Below): Uint8Array {
  const bytes = [...content];
  const at = random(bytes.length + 1);
  switch (random(4)) {
    case 0:
      bytes.splice(at, 0, random(256));
      break;
    case 1:
      bytes.splice(at, 1);
      break;
    case 2:
      bytes[Math.min(at, Math.max(0, bytes.length - 1))] = random(256);
      break;
    default:
      bytes[Math.min(at, Math.max(0, bytes.length - 1))] = (bytes[at] ?? 0) ^ (1 << random(8));
  }
  return Uint8Array.from(bytes);
}

/** Values in octet strings too: extensions are there. */
function treeOf(der: Uint8Array): readonly Node[] | undefined {
  let values: readonly DerValue[];
  try {
    values = readDerValues(der);
  } catch {
    return undefined;
  }
  return values.map(({ tag, content }) => {
    const mayHold = (tag & CONSTRUCTED) !== 0 || (tag === OCTET_STRING && content.length > 2);
    return { tag, content, children: mayHold ? treeOf(content) : undefined };
  });
}

function countOf({ children = [] }: Node): number {
  return children.reduce((sum, child) => sum + countOf(child), 1);
}

function contentOf({ content, children }: Node): Uint8Array {
  return children === undefined ? content : Buffer.concat(children.map(encoded));
}

function encoded(node: Node): Uint8Array {
  return encodeDer(node.tag, contentOf(node));
}

// How are values written in DER? (X.690 §8, §10: as much of it as an anchor needs; our own, so that no other version of a library changes a byte)

/** One value: identifier octet, length in as few octets as possible, and the contents one after the other. */
export function encodeDer(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, content) => sum + content.length, 0);
  return Buffer.concat([Uint8Array.of(tag, ...lengthOctets(length)), ...contents]);
}

/** From dotted decimal, for example `2.5.29.15`. */
export function encodeObjectIdentifier(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return encodeDer(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

function lengthOctets(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return [0x80 | octets.length, ...octets];
}

/** Seven bits an octet; all but the last have the eighth bit set. */
function base128(number: number): readonly number[] {
  const octets = [number & 0x7f];
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) octets.unshift((rest & 0x7f) | 0x80);
  return octets;
}

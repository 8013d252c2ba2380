// What does the agent of an Istio proxy make of the PEMs that istiod hands it? (measured on istiod 1.29.6)

/**
 * The agent's `ROOTCA`: what istiod gave it, and the roots its own certificate came with. A set of texts, not of
 * certificates: the same one wrapped at another width is there twice.
 */
export function mergedRoots(ownRootsPem: string, anchors: readonly string[]): string {
  const blocks = [ownRootsPem, ...anchors].flatMap(splitPem);
  return [...new Set(blocks)]
    .sort()
    .map((block) => `${block}\n`)
    .join('');
}

/** Up to and with each END line; what is no block stays with the block before it. */
function splitPem(text: string): readonly string[] {
  return text
    .split(/(?=^-----BEGIN )/m)
    .map((block) => block.trim())
    .filter((block) => block !== '');
}

// Where was a peer declared, and which fields can that place not honour? (the same document in files and in Kubernetes)
import * as z from 'zod';

export type DeclarationPlace = 'File' | 'Kubernetes';

type FieldOfOnePlace = 'file' | 'configMapRef' | 'secretRef' | 'clusterSPIFFEIDs';

const FILE_HAS_NO_OBJECTS = 'needs Kubernetes: in a file, write the bundle under "inline" or name a path under "file"';

/** The fields a place refuses, and what to write there instead. */
const REFUSED: Readonly<Record<DeclarationPlace, Partial<Record<FieldOfOnePlace, string>>>> = {
  File: {
    configMapRef: FILE_HAS_NO_OBJECTS,
    secretRef: FILE_HAS_NO_OBJECTS,
    clusterSPIFFEIDs: 'needs Kubernetes: in a file, choose registration entries under "entries"',
  },
  Kubernetes: { file: 'is for declarations in files; in Kubernetes use inline, configMapRef or secretRef' },
};

/** The field where the place offers it; elsewhere it is refused, so that nobody believes it is in force. */
export function offeredBy<T>(
  place: DeclarationPlace,
  name: FieldOfOnePlace,
  field: z.ZodType<T>,
): z.ZodOptional<z.ZodType<T>> {
  const refusal = REFUSED[place][name];
  return z.optional(refusal === undefined ? field : z.never({ error: () => refusal }));
}

/** Of these fields, the ones the place offers, for messages. */
export function namesOfferedBy(place: DeclarationPlace, names: readonly string[]): string[] {
  const refused: Readonly<Record<string, string>> = REFUSED[place];
  return names.filter((name) => refused[name] === undefined);
}

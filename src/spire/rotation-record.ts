// Which rotation is under way, and how far is it? (a record in SPIRE, a field a selector)
import { answerInvalid } from './spire-error.ts';
import { readRecordTexts, recordTexts, type RotationRecords } from '../rotation/rotation-record.ts';
import { entryRecord, RECORD_SELECTOR_TYPE } from './entry-record.ts';
import type { SpireContext } from './spire-context.ts';

export function rotationRecords(context: SpireContext): RotationRecords {
  const record = entryRecord(context, 'rotation');
  return {
    async read(signal) {
      const selectors = await record.read(signal);
      if (selectors === undefined) return undefined;
      const ours = selectors.filter(({ type }) => type === RECORD_SELECTOR_TYPE);
      const rotation = readRecordTexts(ours.map(({ value }) => value));
      if (rotation !== undefined) return rotation;
      throw answerInvalid(
        `GetEntry of ${record.entryId}`,
        'it is no record of a rotation; when none is under way, delete that entry',
      );
    },
    write: (rotation, signal) => record.write(recordTexts(rotation), signal),
    forget: (signal) => record.delete(signal),
  };
}

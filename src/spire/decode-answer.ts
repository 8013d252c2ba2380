// What do the bytes of an answer say? For those calls whose answer is looked at as bytes first.
import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { answerInvalid } from './spire-error.ts';

/** @throws SpireError `SpireAnswerInvalid`; `attempt` is the call's name */
export function decodeAnswer<Schema extends DescMessage>(
  attempt: string,
  schema: Schema,
  answer: Uint8Array,
): MessageShape<Schema> {
  try {
    return fromBinary(schema, answer);
  } catch (error) {
    throw answerInvalid(attempt, 'it is not the message of its API', error);
  }
}

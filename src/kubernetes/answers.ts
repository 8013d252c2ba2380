// What does an answer's JSON hold: an object, a page of a list, or a Status? (metav1: ListMeta, Status)
import { answerInvalid, type Attempt, type Status } from './kube-error.ts';
import { apiVersionOf, type KubeObject } from './kube-object.ts';
import { fieldsOf, isFields, textOf, type Fields } from './object-fields.ts';

export interface ListPage {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
  /** Absent on the last page. */
  readonly continue: string | undefined;
}

/** @throws KubeError `KubeAnswerInvalid` */
export function parseAnswer(attempt: Attempt, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw answerInvalid(attempt, 'it is not JSON');
  }
}

/** @throws KubeError `KubeAnswerInvalid` */
export function objectOf(attempt: Attempt, json: unknown): KubeObject {
  if (!isFields(json) || !isFields(json['metadata'])) throw answerInvalid(attempt, 'it is no Kubernetes object');
  // Items of a list of built-in kinds come without the two.
  const { apiVersion = apiVersionOf(attempt.resource), kind = attempt.resource.kind } = json;
  return { ...json, apiVersion, kind } as KubeObject;
}

/** @throws KubeError `KubeAnswerInvalid` */
export function listPageOf(attempt: Attempt, json: unknown): ListPage {
  const { metadata, items } = fieldsOf(json);
  if (!isFields(metadata) || typeof metadata['resourceVersion'] !== 'string') {
    throw answerInvalid(attempt, 'it is no list');
  }
  // An empty list can be null: it is a nil slice there.
  if (!Array.isArray(items ?? [])) throw answerInvalid(attempt, 'its items are no list');
  return {
    items: ((items ?? []) as unknown[]).map((item) => objectOf(attempt, item)),
    resourceVersion: metadata['resourceVersion'],
    continue: textOf(metadata['continue']),
  };
}

/** Whatever stands in the answer's body; `httpStatus` counts where it has no code of its own. */
export function statusOf(json: unknown, httpStatus: number): Status {
  if (!isFields(json) || json['kind'] !== 'Status') return { code: httpStatus };
  const { code, reason, message, details } = json;
  const { causes } = fieldsOf(details);
  return {
    code: typeof code === 'number' ? code : httpStatus,
    reason: textOf(reason),
    message: textOf(message),
    causes: Array.isArray(causes) ? causes.filter(isFields).map(causeOf) : [],
  };
}

function causeOf({ reason, message, field }: Fields) {
  return {
    ...(typeof reason === 'string' && { reason }),
    ...(typeof message === 'string' && { message }),
    ...(typeof field === 'string' && { field }),
  };
}

// stand-in until the helper's arrives
import { unreadable, type Fact } from '../federation/facts.ts';
import type { MeshSurvey } from '../federation/mesh-survey.ts';
export function referencedCas(survey: MeshSurvey | undefined): Fact<ReadonlySet<string>> {
  void survey;
  return unreadable({ code: 'NotReadYet', message: 'not read yet' }, new Date());
}

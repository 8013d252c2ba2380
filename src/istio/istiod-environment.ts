// What does a variable in the environment of istiod say? (read by istiod at its start)
import type { IstiodDeployment } from '../federation/mesh-survey.ts';
import { unknown, type Finding } from './preflight-check.ts';

/** `judge` is given the empty text for a variable that is not set. */
export function ofVariable(
  { name, environment, unreadVariables }: IstiodDeployment,
  variable: string,
  judge: (value: string) => Finding,
): Finding {
  if (!unreadVariables.includes(variable)) return judge(environment[variable] ?? '');
  return unknown(
    `Deployment "${name}" takes ${variable} from another object, which is not read; write its value into the Deployment`,
  );
}

export function ofFlag(
  istiod: IstiodDeployment,
  variable: string,
  { on, off }: { readonly on: Finding; readonly off: Finding },
): Finding {
  return ofVariable(istiod, variable, (value) => (isTrue(value) ? on : off));
}

/** As Go reads a truth value. */
export function isTrue(value: string | undefined): boolean {
  return /^(1|t|T|true|TRUE|True)$/.test(value ?? '');
}

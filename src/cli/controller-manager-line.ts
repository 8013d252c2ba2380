// How are people told of spire-controller-manager? One line for `status` and `plan`.
import type { ControllerManagerStanding } from '../federation/controller-manager-standing.ts';

export function controllerManagerLine({ state, message }: ControllerManagerStanding): string {
  return `spire-controller-manager (${state}): ${message}`;
}

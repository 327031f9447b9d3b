import type { Check } from './check.ts'
import { interfacesCheck } from './interfaces.ts'
import { reachability } from './reachability.ts'

/** Every check, in alphabetical order. */
export const CHECKS: readonly Check[] = [interfacesCheck, reachability]

import type { AutopilotCheck } from './check.ts'
import { dcgm } from './checks/dcgm.ts'
import { gpumem } from './checks/gpumem.ts'
import { gpupower } from './checks/gpupower.ts'
import { pciebw } from './checks/pciebw.ts'
import { ping } from './checks/ping.ts'
import { pvc } from './checks/pvc.ts'
import { remapped } from './checks/remapped.ts'

/** All checks of Autopilot, by name. */
export const AUTOPILOT_CHECKS: ReadonlyMap<string, AutopilotCheck> = new Map(
  [pciebw, remapped, gpumem, dcgm, gpupower, ping, pvc].map((check) => [check.name, check]),
)

import type { Check } from './check.ts'
import { clockCheck } from './clock/check.ts'
import { dcgm } from './dcgm/check.ts'
import { disk } from './disk/check.ts'
import { gpumem } from './gpumem/check.ts'
import { gpupower } from './gpupower/check.ts'
import { host } from './host/check.ts'
import { interfacesCheck } from './interfaces/check.ts'
import { iperf } from './iperf/check.ts'
import { pciebw } from './pciebw/check.ts'
import { ping } from './ping/check.ts'
import { pvc } from './pvc/check.ts'
import { reachability } from './reachability/check.ts'
import { remapped } from './remapped/check.ts'

/** The registry: every check, in alphabetical order. */
export const CHECKS: readonly Check[] = [
  clockCheck,
  dcgm,
  disk,
  gpumem,
  gpupower,
  host,
  interfacesCheck,
  iperf,
  pciebw,
  ping,
  pvc,
  reachability,
  remapped,
]

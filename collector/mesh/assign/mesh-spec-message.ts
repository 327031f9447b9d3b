/** Converts specs of meshes from and to their messages. */

import type { MeshSpec as MeshSpecMessage } from '#proto/meshgauge/collector/v1/mesh.ts'
import { fromDuration, toDuration } from '../../../lib/protobuf-time.ts'
import { createMeshSpec, type MeshSpec } from './mesh-spec.ts'

const durationOf = (seconds: number | undefined) => (seconds === undefined ? undefined : toDuration(seconds))

/** Reads a spec, and fills in the defaults. */
export const meshSpecOf = ({ interval, timeout, window, epoch, ...stated }: MeshSpecMessage): MeshSpec =>
  createMeshSpec({
    ...stated,
    intervalSeconds: fromDuration(interval),
    timeoutSeconds: fromDuration(timeout),
    windowSeconds: fromDuration(window),
    epochSeconds: fromDuration(epoch),
  })

export const meshSpecMessage = (spec: MeshSpec): MeshSpecMessage => {
  const { intervalSeconds, timeoutSeconds, windowSeconds, epochSeconds, ...others } = spec
  return {
    ...others,
    interval: durationOf(intervalSeconds),
    timeout: toDuration(timeoutSeconds),
    window: durationOf(windowSeconds),
    epoch: toDuration(epochSeconds),
  }
}

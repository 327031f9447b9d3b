import type { MeshSpec } from '#proto/meshgauge/collector/v1/mesh.ts'

/** What schedules need of whatever keeps ping meshes up. */
export type MeshController = {
  /** Keeps the mesh of a schedule as the spec says, in place of what it was; ends it without a spec. */
  set(schedule: string, spec: MeshSpec | undefined): void
}

import { collector } from './boards/collector.ts'
import { fleet } from './boards/fleet.ts'
import { mesh } from './boards/mesh.ts'
import { node } from './boards/node.ts'
import { runs } from './boards/runs.ts'
import type { Dashboard } from './schema.ts'

/** All dashboards by file name. */
export const DASHBOARDS: Readonly<Record<string, Dashboard>> = { fleet, mesh, node, runs, collector }

/** The content of the committed JSON file. */
export const toJson = (dashboard: Dashboard): string => `${JSON.stringify(dashboard, undefined, 2)}\n`

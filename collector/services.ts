import { FleetServiceDefinition } from '#proto/meshgauge/collector/v1/fleet.ts'
import { HealthServiceDefinition } from '#proto/meshgauge/collector/v1/health.ts'
import { MeshServiceDefinition } from '#proto/meshgauge/collector/v1/mesh.ts'
import { ProfileServiceDefinition } from '#proto/meshgauge/collector/v1/profile.ts'
import { ResultServiceDefinition } from '#proto/meshgauge/collector/v1/result.ts'
import { RunServiceDefinition } from '#proto/meshgauge/collector/v1/run.ts'
import { ScheduleServiceDefinition } from '#proto/meshgauge/collector/v1/schedule.ts'
import { StoreServiceDefinition } from '#proto/meshgauge/collector/v1/store.ts'
import { TrafficServiceDefinition } from '#proto/meshgauge/collector/v1/traffic.ts'
import type { Clock } from '../lib/clock.ts'
import { service } from '../lib/serving.ts'
import type { Health } from './health/health.ts'
import type { Fleet } from './inventory/fleet.ts'
import type { MeshController } from './mesh/mesh-controller.ts'
import type { Profile } from './profiles/profile.ts'
import type { Reload } from './reload.ts'
import type { Runs } from './runs/runs.ts'
import type { Schedules } from './schedules/schedules.ts'
import { createFleetService } from './services/fleet.ts'
import { createHealthService } from './services/health.ts'
import { createMeshService } from './services/mesh.ts'
import { createProfileService } from './services/profile.ts'
import { createResultService } from './services/result.ts'
import { createRunService } from './services/run.ts'
import { createScheduleService } from './services/schedule.ts'
import { createStoreService } from './services/store.ts'
import { createThroughputCheck } from './services/throughput-check.ts'
import { createTrafficService } from './services/traffic.ts'
import type { Store } from './store/store.ts'
import type { Traffics } from './traffic/traffics.ts'

type Parts = {
  clock: Clock
  fleet: Fleet
  health: Health
  meshes: MeshController
  runs: Runs
  schedules: Schedules
  profiles: ReadonlyMap<string, Profile>
  store: Store
  reload: Reload
  traffics: Traffics
}

/** Returns the implementations of all services of the collector. */
export const servicesOf = ({
  clock,
  fleet,
  health,
  meshes,
  runs,
  schedules,
  store,
  reload,
  profiles,
  traffics,
}: Parts) => [
  service(
    FleetServiceDefinition,
    createFleetService({
      fleet,
      health,
      reload,
      throughputCheck: createThroughputCheck({ clock, runs, results: store.allResults }),
    }),
  ),
  service(HealthServiceDefinition, createHealthService({ fleet, health })),
  service(RunServiceDefinition, createRunService(runs)),
  service(ProfileServiceDefinition, createProfileService({ clock, runs, profiles })),
  service(ScheduleServiceDefinition, createScheduleService(schedules)),
  service(ResultServiceDefinition, createResultService(store)),
  service(StoreServiceDefinition, createStoreService(store)),
  service(TrafficServiceDefinition, createTrafficService(traffics)),
  service(MeshServiceDefinition, createMeshService({ clock, meshes, store })),
]

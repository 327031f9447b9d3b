import type { Profile as ProfileMessage } from '#proto/meshgauge/collector/v1/profile.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { runSpecMessage } from '../plan/run-spec-message.ts'
import type { Profile } from './profile.ts'

export const profileMessage = (profile: Profile): ProfileMessage => ({
  ...profile,
  steps: profile.steps.map(({ name, spec, cooldownSeconds }) => ({
    name,
    spec: runSpecMessage(spec),
    cooldown: cooldownSeconds === undefined ? undefined : toDuration(cooldownSeconds),
  })),
})

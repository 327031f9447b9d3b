import type { Traffic as TrafficMessage } from '#proto/meshgauge/collector/v1/traffic.ts'
import { trafficSpecMessage } from './assign/traffic-spec-message.ts'
import type { Traffic } from './traffic.ts'

export const trafficMessage = (traffic: Traffic): TrafficMessage => ({
  ...traffic,
  spec: trafficSpecMessage(traffic.spec),
})

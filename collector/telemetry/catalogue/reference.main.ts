/** Writes deploy/prometheus/METRICS.md. Run by `npm run metrics`. */
import { writeFileSync } from 'node:fs'
import { metricsReference } from './reference.ts'

writeFileSync(new URL('../../../deploy/prometheus/METRICS.md', import.meta.url), metricsReference())

/** `npm run dashboards`: writes the JSON files to deploy/grafana/dashboards. */
import { writeFileSync } from 'node:fs'
import { DASHBOARDS, toJson } from './dashboards.ts'

for (const [name, dashboard] of Object.entries(DASHBOARDS))
  writeFileSync(new URL(`dashboards/${name}.json`, import.meta.url), toJson(dashboard))

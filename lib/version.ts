import packageJson from '../package.json' with { type: 'json' }

/** The version of meshgauge. */
export const VERSION: string = packageJson.version

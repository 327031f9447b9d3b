import packageJson from '../package.json' with { type: 'json' }

/** meshgauge's own version. */
export const VERSION: string = packageJson.version

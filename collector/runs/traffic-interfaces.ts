/**
 * Which interfaces carry sustained traffic. Runs that measure exclusively look here before they start; traffic, which
 * comes after dispatch, says here what it holds.
 */
export const createTrafficInterfaces = () => {
  const held = new Map<string, ReadonlySet<string>>()
  return {
    /** `interfaces` as `node interface`. */
    hold(trafficId: string, interfaces: ReadonlySet<string>): void {
      held.set(trafficId, interfaces)
    },
    release(trafficId: string): void {
      held.delete(trafficId)
    },
    /** A traffic on any of these interfaces, and the first of them that it is on. */
    on(interfaces: ReadonlySet<string>): { trafficId: string; interface: string } | undefined {
      for (const [trafficId, own] of held) {
        for (const name of interfaces) if (own.has(name)) return { trafficId, interface: name }
      }
      return undefined
    },
  }
}

export type TrafficInterfaces = ReturnType<typeof createTrafficInterfaces>

/**
 * The interfaces that carry sustained traffic. Traffic registers them here, and runs look here before they start,
 * because runs/ cannot import traffic/.
 */
export const createTrafficInterfaces = () => {
  const byTraffic = new Map<string, ReadonlySet<string>>()
  return {
    /** @param interfaces keys by `interfaceKey` */
    reserve(trafficId: string, interfaces: ReadonlySet<string>): void {
      byTraffic.set(trafficId, interfaces)
    },
    release(trafficId: string): void {
      byTraffic.delete(trafficId)
    },
    /** Returns a traffic that uses any of these interfaces, and the first such interface. */
    find(interfaces: ReadonlySet<string>): { trafficId: string; interface: string } | undefined {
      for (const [trafficId, reserved] of byTraffic) {
        for (const name of interfaces) if (reserved.has(name)) return { trafficId, interface: name }
      }
      return undefined
    },
  }
}

export type TrafficInterfaces = ReturnType<typeof createTrafficInterfaces>

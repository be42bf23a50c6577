/**
 * The same items, where the next one is got while the one before is worked on: never more than one ahead. Who stops early leaves what
 * is on its way to end by itself.
 */
export async function* readAhead<T>(items: AsyncGenerator<T, void>): AsyncGenerator<T, void> {
  const get = (): Promise<IteratorResult<T, void>> => {
    const next = items.next()
    // Told when it is asked for; until then nobody listens.
    next.catch(() => {})
    return next
  }
  let next = get()
  try {
    for (;;) {
      const item = await next
      if (item.done === true) return
      next = get()
      yield item.value
    }
  } finally {
    void next.then(() => items.return()).catch(() => {})
  }
}

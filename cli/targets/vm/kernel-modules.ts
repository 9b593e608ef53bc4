/**
 * What a Linux kernel module needs, read from the module itself (`depends=` in its .modinfo), so
 * that neither depmod nor a running kernel is needed to order insmod calls.
 */

/** Names of the modules that this one depends on. */
export function moduleDepends(module: Buffer): string[] {
  const key = Buffer.from('\0depends=', 'latin1');
  const at = module.indexOf(key);
  if (at < 0) return [];
  const end = module.indexOf(0, at + key.length);
  return module
    .toString('latin1', at + key.length, end)
    .split(',')
    .filter((name) => name !== '')
    .map(moduleName);
}

/** `virtio-rng.ko` and `virtio_rng` are the same module. */
export function moduleName(file: string): string {
  return file.replace(/\.ko$/, '').replaceAll('-', '_');
}

/**
 * The wanted modules and all they depend on, each after what it needs. A wanted module that is not
 * among `available` is taken to be built into the kernel, as it is with some distributions.
 */
export function moduleOrder(
  wanted: readonly string[],
  available: ReadonlyMap<string, Buffer>,
): string[] {
  const order: string[] = [];
  const visit = (name: string): void => {
    const module = available.get(name);
    if (module === undefined || order.includes(name)) return;
    for (const needed of moduleDepends(module)) visit(needed);
    order.push(name);
  };
  for (const name of wanted) visit(moduleName(name));
  return order;
}

/** What a container stores: the base and the image (shared by all of it), its own layer, its volume. */
import { z } from 'zod';
import { measureTree } from '../../meters/storage.ts';
import { isUnavailable, type Measured, unavailable } from '../../record/measured.ts';
import { type StoragePart, storagePart } from '../storage-part.ts';
import type { StorageReading } from '../target.ts';
import type { Engine } from './engine.ts';

const graphDriver = z.looseObject({ Data: z.record(z.string(), z.string()).nullish() }).nullish();
const imageSchema = z.looseObject({ Size: z.number(), GraphDriver: graphDriver });
const containerSchema = z.looseObject({
  SizeRw: z.number().optional(),
  GraphDriver: graphDriver,
  LogPath: z.string().optional(),
});
const volumeSchema = z.looseObject({ Mountpoint: z.string() });

export interface StorageRequest {
  container: string;
  volume: string;
  image: string;
  base: string;
}

/**
 * Allocated bytes come from the engine's folders, where this user may read them (root, an engine on
 * this host, overlay2); apparent bytes from there or from what the engine says.
 */
export async function containerStorage(
  engine: Engine,
  { container, volume, image, base }: StorageRequest,
): Promise<StorageReading> {
  const [ofBase, ofImage, ofContainer, ofVolume] = await Promise.all([
    inspect(engine, ['image', 'inspect', base], imageSchema),
    inspect(engine, ['image', 'inspect', image], imageSchema),
    inspect(engine, ['container', 'inspect', '--size', container], containerSchema),
    inspect(engine, ['volume', 'inspect', volume], volumeSchema),
  ]);
  const baseLayers = layerFolders(ofBase?.GraphDriver);
  const ownLayers = layerFolders(ofImage?.GraphDriver).filter((path) => !baseLayers.includes(path));
  const imageBytes = ofImage && ofBase ? ofImage.Size - ofBase.Size : undefined;
  const upper = ofContainer?.GraphDriver?.Data?.['UpperDir'];
  return {
    parts: [
      await layersPart(`base image ${base}`, 'shared', baseLayers, ofBase?.Size),
      await layersPart('runtime and bundle', 'shared', ownLayers, imageBytes),
      await layersPart('writable layer', 'marginal', upper ? [upper] : [], ofContainer?.SizeRw),
      await pathPart('database volume', ofVolume?.Mountpoint),
      await pathPart('log', ofContainer?.LogPath),
    ],
  };
}

async function inspect<T extends z.ZodType>(
  engine: Engine,
  args: readonly string[],
  schema: T,
): Promise<z.infer<T> | null> {
  const result = await engine.try(args);
  if (result.code !== 0) return null;
  const [first] = JSON.parse(result.stdout) as unknown[];
  const parsed = schema.safeParse(first);
  return parsed.success ? parsed.data : null;
}

/** overlay2 names each layer's folder; other drivers and the containerd store do not. */
function layerFolders(driver: z.infer<typeof graphDriver>): string[] {
  const { UpperDir, LowerDir } = driver?.Data ?? {};
  return [UpperDir, ...(LowerDir ?? '').split(':')].filter(
    (path): path is string => path !== undefined && path !== '',
  );
}

async function layersPart(
  name: string,
  kind: StoragePart['kind'],
  folders: string[],
  engineBytes: number | undefined,
): Promise<StoragePart> {
  const said: Measured<number> = engineBytes ?? unavailable('the engine does not say');
  if (folders.length === 0) {
    const why = unavailable('the engine names no folder of this layer');
    return { name, kind, allocatedBytes: why, apparentBytes: said, source: 'docker inspect' };
  }
  const sizes = await Promise.all(folders.map(measureTree));
  const failed = sizes.find(isUnavailable);
  if (failed) {
    return { name, kind, allocatedBytes: failed, apparentBytes: said, source: 'docker inspect' };
  }
  const known = sizes as Array<Exclude<(typeof sizes)[number], { unavailable: string }>>;
  return {
    name,
    kind,
    allocatedBytes: known.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0),
    apparentBytes: known.reduce((sum, { apparentBytes }) => sum + apparentBytes, 0),
    source: `lstat of ${folders.length} layer${folders.length === 1 ? '' : 's'}`,
  };
}

async function pathPart(name: string, path: string | undefined): Promise<StoragePart> {
  if (path) return storagePart(name, 'marginal', path);
  const why = unavailable('the engine does not say where it is');
  return { name, kind: 'marginal', allocatedBytes: why, apparentBytes: why, source: 'docker' };
}

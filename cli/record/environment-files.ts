/** Small kernel files that may not be there. */
import { readdirSync, readFileSync } from 'node:fs';

/** Content, or undefined where there is no such file or no permission. */
export function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/** Names in the folder, sorted; none where there is no such folder. */
export function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

export const actions: Record<string, (options: Record<string, number>) => unknown>;

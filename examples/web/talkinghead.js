// A face in the page moves an avatar of TalkingHead 1.7.

/** TalkingHead's names for what it turns the head by, radians. */
const TALKINGHEADS = { headPitch: "headRotateX", headYaw: "headRotateY", headRoll: "headRotateZ" };

/**
 * Hook for a TalkingHead (`head`, with its avatar shown): the face's curves take over. Call what
 * this returns to let go; it lets go by itself while the face has no curves.
 */
export function moveTalkingHead(head, face) {
  const set = (curves) =>
    face.names.forEach((name, i) => {
      const target = head.mtAvatar[TALKINGHEADS[name] ?? name];
      // What is null already stays TalkingHead's own business.
      if (!target || (!curves && target.realtime === null)) return;
      Object.assign(target, { realtime: curves ? curves[i] : null, needsUpdate: true });
    });
  const show = () => {
    set(face.now());
    handle = requestAnimationFrame(show);
  };
  let handle = requestAnimationFrame(show);
  return () => {
    cancelAnimationFrame(handle);
    set(null);
  };
}

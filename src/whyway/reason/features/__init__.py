"""What microgpt reads of a scene, kind by kind; `reason.scene_tokens` puts it together."""

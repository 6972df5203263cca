using System.IO;
using UnrealBuildTool;

public class DiffusionTalkerLiveLink : ModuleRules
{
	public DiffusionTalkerLiveLink(ReadOnlyTargetRules Target) : base(Target)
	{
		// Private/dt is plain C++ that knows no Unreal header: no precompiled header may be put before
		// it, and its files stay translation units of their own.
		PCHUsage = PCHUsageMode.NoPCHs;
		bUseUnity = false;
		bEnableExceptions = false;
		bUseRTTI = false;

		PublicDependencyModuleNames.AddRange(new string[]
		{
			"AudioMixer",
			"Core",
			"CoreUObject",
			"Engine",
			"LiveLinkInterface",
		});
		PrivateDependencyModuleNames.AddRange(new string[]
		{
			"InputCore",
			"Slate",
			"SlateCore",
		});

		// Keys on the wire (docs/security.md) want TweetNaCl's two files in Private/tweetnacl, which are
		// not part of the plugin; without them a source with keys says so.
		string TweetNaCl = Path.Combine(ModuleDirectory, "Private", "tweetnacl");
		bool bCurve = File.Exists(Path.Combine(TweetNaCl, "tweetnacl.h"));
		PrivateDefinitions.Add("DT_CURVE=" + (bCurve ? "1" : "0"));
		if (bCurve)
		{
			PrivateIncludePaths.Add(TweetNaCl);
		}

		// No third-party binaries: the sockets of the system are all that is linked.
		if (Target.Platform == UnrealTargetPlatform.Win64)
		{
			PublicSystemLibraries.Add("ws2_32.lib");
		}
	}
}
